"""Many at once, in processes of their own: nothing is lost, nobody is locked out."""
