"""The search for the best settings: a study of trials, each a training that is judged on the validation part."""
