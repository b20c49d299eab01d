"""From records to DynamoDB items and back, field by field: ``x_to_item`` and ``x_from_item``.

A field's name in one record says nothing about another's. An ``x_to_map`` is a part of several records. Each codec also
reads the items that older versions have stored; its comments describe how these differ.
"""
