"""Traffic by clients that never try twice, with ids that are counted on both ends."""
