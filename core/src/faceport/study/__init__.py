"""Why a number fell: errors by node, nodes in float, speed against fp32, golden vectors."""
