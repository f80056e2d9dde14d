"""Linear: issues in, reports out."""
