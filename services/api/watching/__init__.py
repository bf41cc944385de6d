"""Standing questions: who asked is told when something that answers is indexed, changed or removed."""
