"""Failure odds from asset data alone: age, batch and position.

The shape of the hazard is learned from real lifetimes (../titan), its level is set by a yearly rate. Commands:
`python -m training.survival predict|train|report`, run from models/.
"""
