"""What the parts of an audit that look into a model share: maps, what of them lies inside, and groups of cases."""
