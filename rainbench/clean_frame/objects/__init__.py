"""What is seen in frames and is neither rain nor the scene: people, cars, light of lamps."""
