"""A table of facts about KubeVirt's API, and what plays it against a cluster."""
