"""What differs between tasks: one `Task` record each."""
