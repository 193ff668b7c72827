"""What does XGBoost's model file say? Read without xgboost, for what scores and what explains."""
