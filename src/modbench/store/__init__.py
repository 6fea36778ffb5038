"""Numbers -> disk -> table: what a sweep has planned and what its runs gave, safe against accidents."""
