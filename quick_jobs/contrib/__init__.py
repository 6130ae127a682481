"""Parts that need a package which not every site has."""
