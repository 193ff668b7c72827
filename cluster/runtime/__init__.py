"""How are Ray and HAProxy started, steered and ended?"""
