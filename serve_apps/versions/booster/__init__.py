"""What XGBoost's model file says, read without xgboost: shared by what scores and what explains."""
