"""What do the trees say to a row? A forest packed to eight bytes a node, eight trees walked at a time."""
