"""What stands outside a model: the store, the registry, the log, the policies, the cluster; behind which ports?"""
