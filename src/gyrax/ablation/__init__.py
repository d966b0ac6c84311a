"""Variants of one setting, trained alike on one encoder and compared in pairs."""
