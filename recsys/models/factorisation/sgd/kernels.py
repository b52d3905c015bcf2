# mypy: allow-untyped-defs
"""The arithmetic of gradient descent: all arrays float32, in units of stars.

Ratings are CSR: those of user u are entries starts[u] to starts[u + 1] of `movies` and `stars`. P (users, k) and
Q (movies, k) are factors, b (users) and c (movies) biases, which stay 0 where not `biased`.
A rating's error is e = r - mean - b_u - c_i - p_u . q_i; its objective is half of
e^2 + l2 (|p_u|^2 + |q_i|^2) + l2_bias (b_u^2 + c_i^2)  (Koren, Bell and Volinsky 2009, eq. 5).
"""

from __future__ import annotations

import numpy as np

from recsys.compiled import fast_kernel, fast_piece

SGD, MOMENTUM, ADAM = 0, 1, 2
BETA2, EPSILON = 0.999, 1e-8  # of Adam (Kingma and Ba 2015)


@fast_kernel
def stochastic_epoch(order, starts, movies, stars, mean, P, b, Q, c, rate, l2, l2_bias, biased):
    """Plain stochastic gradient descent, a step a rating, users in that order; the sum of squared errors before it."""
    k = P.shape[1]
    total = 0.0
    for a in range(order.size):
        u = order[a]
        p = P[u]
        b_u = b[u]
        for j in range(starts[u], starts[u + 1]):
            i = movies[j]
            q = Q[i]
            s = np.float32(0)
            for d in range(k):
                s += p[d] * q[d]
            e = stars[j] - mean - b_u - c[i] - s
            total += e * e
            if biased:
                b_u += rate * (e - l2_bias * b_u)
                c[i] += rate * (e - l2_bias * c[i])
            for d in range(k):
                x = p[d]
                p[d] += rate * (e * q[d] - l2 * x)
                q[d] += rate * (e * x - l2 * q[d])
        b[u] = b_u
    return total


@fast_kernel
def add_gradients(starts, movies, stars, mean, P, b, Q, c, GP, Gb, GQ, Gc):
    """Adds -e q, -e, -e p, -e of all ratings to the gradients, without l2; the sum of squared errors."""
    k = P.shape[1]
    total = 0.0
    for u in range(starts.size - 1):
        p = P[u]
        g = GP[u]
        of_user = np.float32(0)
        for j in range(starts[u], starts[u + 1]):
            i = movies[j]
            q = Q[i]
            h = GQ[i]
            s = np.float32(0)
            for d in range(k):
                s += p[d] * q[d]
            e = stars[j] - mean - b[u] - c[i] - s
            total += e * e
            of_user -= e
            Gc[i] -= e
            for d in range(k):
                g[d] -= e * q[d]
                h[d] -= e * p[d]
        Gb[u] += of_user
    return total


@fast_kernel
def squared_errors(starts, movies, stars, mean, P, b, Q, c):
    """The sum of squared errors."""
    k = P.shape[1]
    total = 0.0
    for u in range(starts.size - 1):
        p = P[u]
        for j in range(starts[u], starts[u + 1]):
            q = Q[movies[j]]
            s = np.float32(0)
            for d in range(k):
                s += p[d] * q[d]
            e = stars[j] - mean - b[u] - c[movies[j]] - s
            total += e * e
    return total


@fast_piece
def _step(x, m, v, g, count, rate, l2, optimizer, momentum, first, second):
    """One row's step by the mean of its gradients, which are set to 0 again."""
    for d in range(x.size):
        slope = g[d] / count + l2 * x[d]
        g[d] = np.float32(0)
        if optimizer == SGD:
            x[d] -= rate * slope
        elif optimizer == MOMENTUM:
            m[d] = momentum * m[d] + slope
            x[d] -= rate * m[d]
        else:
            m[d] = momentum * m[d] + (np.float32(1) - momentum) * slope
            v[d] = np.float32(BETA2) * v[d] + np.float32(1 - BETA2) * slope * slope
            x[d] -= rate * (m[d] / first) / (np.sqrt(v[d] / second) + np.float32(EPSILON))


@fast_kernel
def batched_epoch(
    order,
    starts,
    movies,
    stars,
    mean,
    P,
    b,
    Q,
    c,
    more_of_users,
    more_of_movies,
    biased,
    rate,
    l2,
    l2_bias,
    batch,
    optimizer,
    momentum,
    step,
):
    """Steps of `batch` ratings, by the gradients at the parameters before each; (sum of squared errors, steps taken).

    `more_of_users` and `more_of_movies` are (m, m of biases, v, v of biases), of shapes as P and (users, 1); a step
    changes only rows that are in it. `step` is how many were taken before.
    """  # fmt: skip
    k = P.shape[1]
    total = 0.0
    mP, mb, vP, vb = more_of_users
    mQ, mc, vQ, vc = more_of_movies
    b2, c2 = b.reshape(-1, 1), c.reshape(-1, 1)
    GP, GQ = np.zeros_like(P), np.zeros_like(Q)
    Gb, Gc = np.zeros_like(b2), np.zeros_like(c2)
    of_users, of_movies = np.zeros(P.shape[0], np.int32), np.zeros(Q.shape[0], np.int32)
    users_in, movies_in = np.empty(batch, np.int32), np.empty(batch, np.int32)
    n_users = n_movies = inside = 0
    left = 0
    for a in range(order.size):
        left += starts[order[a] + 1] - starts[order[a]]
    for a in range(order.size):
        u = order[a]
        p = P[u]
        for j in range(starts[u], starts[u + 1]):
            i = movies[j]
            q = Q[i]
            s = np.float32(0)
            for d in range(k):
                s += p[d] * q[d]
            e = stars[j] - mean - b[u] - c[i] - s
            total += e * e
            if of_users[u] == 0:
                users_in[n_users] = u
                n_users += 1
            if of_movies[i] == 0:
                movies_in[n_movies] = i
                n_movies += 1
            of_users[u] += 1
            of_movies[i] += 1
            Gb[u, 0] -= e
            Gc[i, 0] -= e
            for d in range(k):
                GP[u, d] -= e * q[d]
                GQ[i, d] -= e * p[d]
            inside += 1
            left -= 1
            if inside < batch and left > 0:
                continue
            step += 1
            first = np.float32(1.0 - np.float64(momentum) ** step)
            second = np.float32(1.0 - BETA2**step)
            for t in range(n_users):
                x = users_in[t]
                n = np.float32(of_users[x])
                of_users[x] = 0
                _step(P[x], mP[x], vP[x], GP[x], n, rate, l2, optimizer, momentum, first, second)
                if biased:
                    _step(b2[x], mb[x], vb[x], Gb[x], n, rate, l2_bias, optimizer, momentum, first, second)
            for t in range(n_movies):
                x = movies_in[t]
                n = np.float32(of_movies[x])
                of_movies[x] = 0
                _step(Q[x], mQ[x], vQ[x], GQ[x], n, rate, l2, optimizer, momentum, first, second)
                if biased:
                    _step(c2[x], mc[x], vc[x], Gc[x], n, rate, l2_bias, optimizer, momentum, first, second)
            n_users = n_movies = inside = 0
    return total, step
