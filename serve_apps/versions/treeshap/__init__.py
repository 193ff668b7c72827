"""How much did each feature move a score? Exact path-dependent TreeSHAP by quadrature; see docs/explanations.md."""
