"""Exact path-dependent TreeSHAP by Gauss-Legendre quadrature; docs/explanations.md derives it on one page."""
