"""From image topics to poses, labels, masks, boxes for any words and 3D places of named things."""
