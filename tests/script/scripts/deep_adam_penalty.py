import numpy as np
def sigmoid(Z): return 1/(1+np.exp(-Z)), Z
def relu(Z): return np.maximum(0,Z), Z
def init(dims):
    np.random.seed(3)
    p = {}
    for l in range(1, len(dims)):
        p['W'+str(l)] = np.random.randn(dims[l], dims[l-1])*np.sqrt(2/dims[l-1])
        p['b'+str(l)] = np.zeros((dims[l],1))
    return p
def model_forward(X, p):
    caches, A, L = [], X, len(p)//2
    for l in range(1, L):
        A_prev = A
        Z = p['W'+str(l)].dot(A_prev)+p['b'+str(l)]
        A, ac = relu(Z)
        caches.append(((A_prev,p['W'+str(l)],p['b'+str(l)]),ac))
    Z = p['W'+str(L)].dot(A)+p['b'+str(L)]
    AL, ac = sigmoid(Z)
    caches.append(((A,p['W'+str(L)],p['b'+str(L)]),ac))
    return AL, caches
def compute_cost(AL, Y, p, lambd):
    m = Y.shape[1]
    ce = -1/m*np.sum(Y*np.log(AL)+(1-Y)*np.log(1-AL))
    l2 = lambd/(2*m)*sum(np.sum(np.square(p['W'+str(l)])) for l in range(1, len(p)//2+1))
    return np.squeeze(ce + l2)
def linear_backward(dZ, cache, lambd):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    return W.T.dot(dZ), 1/m*dZ.dot(A_prev.T) + lambd*W, 1/m*np.sum(dZ,axis=1,keepdims=True)
def model_backward(AL, Y, caches, lambd):
    grads, L = {}, len(caches)
    lin, Z = caches[L-1]
    grads['dA'+str(L-1)], grads['dW'+str(L)], grads['db'+str(L)] = linear_backward(AL-Y, lin, lambd)
    for l in reversed(range(L-1)):
        lin, Z = caches[l]
        dZ = np.array(grads['dA'+str(l+1)], copy=True)
        dZ[Z<=0] = 0
        grads['dA'+str(l)], grads['dW'+str(l+1)], grads['db'+str(l+1)] = linear_backward(dZ, lin, lambd)
    return grads
def initialize_adam(p):
    v, s = {}, {}
    for k in p: v['d'+k] = np.zeros_like(p[k]); s['d'+k] = np.zeros_like(p[k])
    return v, s
def update_adam(p, g, v, s, t, learning_rate=0.01, beta1=.9, beta2=.999, epsilon=1e-8):
    for l in range(1, len(p)//2+1):
        for q in ('W', 'b'):
            k = q + str(l)
            v['d'+k] = beta1*v['d'+k]+(1-beta1)*g['d'+k]
            s['d'+k] = beta2*s['d'+k]+(1-beta2)*g['d'+k]**2
            p[k] = p[k]-learning_rate*(v['d'+k]/(1-beta1**t))/(np.sqrt(s['d'+k]/(1-beta2**t))+epsilon)
    return p, v, s
def batches(X, Y, size, seed):
    np.random.seed(seed)
    perm = np.random.permutation(X.shape[1])
    return [(X[:, perm[k:k+size]], Y[:, perm[k:k+size]]) for k in range(0, X.shape[1], size)]
def model(X, Y, dims, lambd=0.7, num_epochs=20):
    p = init(dims); v, s = initialize_adam(p); t = 0; seed = 10; costs = []
    for i in range(num_epochs):
        seed += 1
        cost_total = 0
        for bx, by in batches(X, Y, 16, seed):
            AL, caches = model_forward(bx, p)
            cost_total += compute_cost(AL, by, p, lambd)
            grads = model_backward(AL, by, caches, lambd)
            t += 1
            p, v, s = update_adam(p, grads, v, s, t)
        costs.append(cost_total / X.shape[1])
    return p
rng = np.random.default_rng(1)
X = rng.normal(size=(4, 64)); Y = (X[:1]*X[1:2] > 0).astype(int)
model(X, Y, [4, 6, 3, 1])
