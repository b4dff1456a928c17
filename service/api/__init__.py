"""The routes under /v1: thin handlers over the pipeline, answering in the contract's shapes."""
