import numpy as np

def svm_loss(W, X, y, reg):
    scores = X.dot(W)
    correct = scores[np.arange(X.shape[0]), y][:, None]
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(X.shape[0]), y] = 0
    loss = margins.sum() / X.shape[0] + reg * np.sum(W * W)
    binary = (margins > 0).astype(float)
    binary[np.arange(X.shape[0]), y] = -binary.sum(axis=1)
    dW = X.T.dot(binary) / X.shape[0] + reg * W
    return loss, dW

class LinearSVM:
    def train(self, X, y, learning_rate=1e-3, reg=1e-2, num_iters=50, batch_size=20, verbose=False):
        num_train, dim = X.shape
        self.W = 0.01 * np.random.randn(dim, np.max(y) + 1)
        loss_history = []
        for it in range(num_iters):
            idx = np.random.choice(num_train, batch_size)
            X_batch, y_batch = X[idx], y[idx]
            loss, grad = svm_loss(self.W, X_batch, y_batch, reg)
            loss_history.append(loss)
            self.W -= learning_rate * grad
        return loss_history

X = np.random.randn(60, 5)
y = np.random.randint(0, 4, 60)
LinearSVM().train(X, y, learning_rate=0.05)
