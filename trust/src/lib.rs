//! Trust roots that are updated safely: The Update Framework (TUF), for those who follow one and those who publish one.
