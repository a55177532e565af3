"""Fleets of another author's making: laws of life and telemetry unlike those of simulator/, to see how far a model carries."""
