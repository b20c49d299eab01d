"""From records to DynamoDB items and back: one module a record, field by field.

A field's name in one record says nothing about another's.
"""
