"""Where weights come from: files, web addresses, packages. Each is fetched once, checked, and kept."""
