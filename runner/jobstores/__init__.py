"""WHERE jobs and live runs outlive the process."""
