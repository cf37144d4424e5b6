# SPDX-License-Identifier: Apache-2.0
"""The rig of the scenarios: a scripted receiver, the real agent, files that are written meanwhile."""
