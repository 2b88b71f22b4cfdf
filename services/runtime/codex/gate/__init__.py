"""What a coding session reaches: the model's API and the app's one repository, each with a login that stays out here."""
