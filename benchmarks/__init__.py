"""What the product costs: each module here measures one thing, as a ratio where it can."""
