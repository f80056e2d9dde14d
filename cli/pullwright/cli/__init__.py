"""How people and programs drive Pullwright."""
