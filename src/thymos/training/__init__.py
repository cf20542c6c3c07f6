"""The loops that train networks, once each, and the pipeline around them. They know no architecture."""
