"""The only importer of boto3: AWS calls in, records of `discovery.model` out."""
