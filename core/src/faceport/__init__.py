"""faceport takes face models to hardware and measures what it costs."""
