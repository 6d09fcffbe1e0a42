class WordsClassifier:
    model_type = "visual_words"
