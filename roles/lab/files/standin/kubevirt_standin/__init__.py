"""A lab fixture that serves the part of the KubeVirt API which this collection uses."""

VERSION = "v1.9.0-standin"
