"""Windvane: serves decision models on Ray, watches them, retrains them, and proves every new version on real traffic.

The packages lie at the top of the repository and are imported as `windvane.cluster`, `windvane.training` and so on: the
links beside this file point to them, so that an editable install, a wheel and every tool see the same names, and a
repository with a `training` or `configs` of its own keeps them.
"""
