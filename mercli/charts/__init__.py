"""Pictures of numbers: Vega-Lite specifications, and the one place that draws them."""
