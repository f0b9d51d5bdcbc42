"""WHEN: pure rules from a moment to the next one."""
