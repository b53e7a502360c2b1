"""Deployments: a pure comparison of what is wanted with the VMs there are, and the task that acts on it."""
