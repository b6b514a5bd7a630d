/* One step of the tiny GPT of demos/12: value and gradient for a batch of names, float64, one thread.
 *
 * The gradients are derived by hand. Parameters lie one matrix after the other, in the order of
 * GPT.parameters(): letters, places, query, key, value, mix, wide, narrow, out.
 * Build: cc -O3 -march=native -ffast-math -shared -fPIC -o gpt.so gpt.c -lm
 */
#include <math.h>
#include <string.h>

enum { T = 12, W = 16, H = 4, S = 4, F = 64, MOST = 64 };
static const double EPSILON = 1e-5;

typedef struct {
    double start[T][W], x0[T][W], n0[T][W], q[T][W], k[T][W], v[T][W], shares[T][H][T], found[T][W];
    double x1[T][W], n1[T][W], wide[T][F], x2[T][W], p[T][MOST];
    double scale_start[T], scale0[T], scale1[T];
} Pass;

static void matvec(const double *w, const double *x, int rows, int columns, double *y) {
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (int j = 0; j < columns; j++) sum += w[i * columns + j] * x[j];
        y[i] = sum;
    }
}

/* dx += w' dy, dw += dy x' */
static void matvec_back(const double *w, const double *x, const double *dy, int rows, int columns,
                        double *dx, double *dw) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            dx[j] += w[i * columns + j] * dy[i];
            dw[i * columns + j] += dy[i] * x[j];
        }
}

static double norm(const double *x, double *y) {
    double squares = 0;
    for (int j = 0; j < W; j++) squares += x[j] * x[j];
    double scale = 1 / sqrt(squares / W + EPSILON);
    for (int j = 0; j < W; j++) y[j] = x[j] * scale;
    return scale;
}

static void norm_back(const double *x, double scale, const double *dy, double *dx) {
    double along = 0;
    for (int j = 0; j < W; j++) along += dy[j] * x[j];
    along *= scale * scale * scale / W;
    for (int j = 0; j < W; j++) dx[j] += scale * dy[j] - along * x[j];
}

typedef struct {
    const double *letters, *places, *query, *key, *value, *mix, *wide, *narrow, *out;
} Weights;

static Weights weights_of(const double *p, int letters) {
    Weights w;
    w.letters = p, p += letters * W;
    w.places = p, p += T * W;
    w.query = p, p += W * W;
    w.key = p, p += W * W;
    w.value = p, p += W * W;
    w.mix = p, p += W * W;
    w.wide = p, p += F * W;
    w.narrow = p, p += W * F;
    w.out = p;
    return w;
}

static double forward(Weights w, int letters, const int *tokens, const int *next,
                      const double *counts, int n, Pass *a) {
    double loss = 0;
    for (int t = 0; t < n; t++) {
        double mixed[W], hidden[F], thought[W];
        for (int j = 0; j < W; j++) a->start[t][j] = w.letters[tokens[t] * W + j] + w.places[t * W + j];
        a->scale_start[t] = norm(a->start[t], a->x0[t]);
        a->scale0[t] = norm(a->x0[t], a->n0[t]);
        matvec(w.query, a->n0[t], W, W, a->q[t]);
        matvec(w.key, a->n0[t], W, W, a->k[t]);
        matvec(w.value, a->n0[t], W, W, a->v[t]);
        memset(a->found[t], 0, sizeof a->found[t]);
        for (int h = 0; h < H; h++) {
            double *share = a->shares[t][h], most = -INFINITY, total = 0;
            for (int s = 0; s <= t; s++) {
                share[s] = 0;
                for (int j = h * S; j < (h + 1) * S; j++) share[s] += a->q[t][j] * a->k[s][j];
                share[s] /= 2; /* the root of S */
                if (share[s] > most) most = share[s];
            }
            for (int s = 0; s <= t; s++) total += share[s] = exp(share[s] - most);
            for (int s = 0; s <= t; s++) {
                share[s] /= total;
                for (int j = h * S; j < (h + 1) * S; j++) a->found[t][j] += share[s] * a->v[s][j];
            }
        }
        matvec(w.mix, a->found[t], W, W, mixed);
        for (int j = 0; j < W; j++) a->x1[t][j] = a->x0[t][j] + mixed[j];
        a->scale1[t] = norm(a->x1[t], a->n1[t]);
        matvec(w.wide, a->n1[t], F, W, a->wide[t]);
        for (int j = 0; j < F; j++) hidden[j] = a->wide[t][j] > 0 ? a->wide[t][j] : 0;
        matvec(w.narrow, hidden, W, F, thought);
        for (int j = 0; j < W; j++) a->x2[t][j] = a->x1[t][j] + thought[j];
        double most = -INFINITY, total = 0;
        matvec(w.out, a->x2[t], letters, W, a->p[t]);
        for (int i = 0; i < letters; i++) if (a->p[t][i] > most) most = a->p[t][i];
        double right = a->p[t][next[t]];
        for (int i = 0; i < letters; i++) total += a->p[t][i] = exp(a->p[t][i] - most);
        for (int i = 0; i < letters; i++) a->p[t][i] /= total;
        loss += counts[t] * (most + log(total) - right);
    }
    return loss;
}

static void backward(Weights w, Weights d, int letters, const int *tokens, const int *next,
                     const double *counts, int n, const Pass *a) {
    double dk[T][W] = {{0}}, dv[T][W] = {{0}}, dx0[T][W] = {{0}};
#define OF(part) ((double *)d.part)
    for (int t = n - 1; t >= 0; t--) {
        double dp[MOST], dx1[W] = {0}, hidden[F], dhidden[F] = {0}, dn1[W] = {0}, dfound[W] = {0};
        double dq[W] = {0}, dn0[W] = {0}, dstart[W] = {0};
        for (int i = 0; i < letters; i++) dp[i] = counts[t] * (a->p[t][i] - (i == next[t]));
        double dx2[W] = {0};
        matvec_back(w.out, a->x2[t], dp, letters, W, dx2, OF(out));
        for (int j = 0; j < F; j++) hidden[j] = a->wide[t][j] > 0 ? a->wide[t][j] : 0;
        matvec_back(w.narrow, hidden, dx2, W, F, dhidden, OF(narrow));
        for (int j = 0; j < F; j++) if (a->wide[t][j] <= 0) dhidden[j] = 0;
        matvec_back(w.wide, a->n1[t], dhidden, F, W, dn1, OF(wide));
        memcpy(dx1, dx2, sizeof dx1);
        norm_back(a->x1[t], a->scale1[t], dn1, dx1);
        matvec_back(w.mix, a->found[t], dx1, W, W, dfound, OF(mix));
        for (int j = 0; j < W; j++) dx0[t][j] += dx1[j];
        for (int h = 0; h < H; h++) {
            const double *share = a->shares[t][h];
            double dshare[T], mean = 0;
            for (int s = 0; s <= t; s++) {
                dshare[s] = 0;
                for (int j = h * S; j < (h + 1) * S; j++) {
                    dshare[s] += dfound[j] * a->v[s][j];
                    dv[s][j] += share[s] * dfound[j];
                }
                mean += share[s] * dshare[s];
            }
            for (int s = 0; s <= t; s++) {
                double dmatch = share[s] * (dshare[s] - mean) / 2;
                for (int j = h * S; j < (h + 1) * S; j++) {
                    dq[j] += dmatch * a->k[s][j];
                    dk[s][j] += dmatch * a->q[t][j];
                }
            }
        }
        matvec_back(w.query, a->n0[t], dq, W, W, dn0, OF(query)); /* later places are done: */
        matvec_back(w.key, a->n0[t], dk[t], W, W, dn0, OF(key));  /* dk and dv of t are whole */
        matvec_back(w.value, a->n0[t], dv[t], W, W, dn0, OF(value));
        norm_back(a->x0[t], a->scale0[t], dn0, dx0[t]);
        norm_back(a->start[t], a->scale_start[t], dx0[t], dstart);
        for (int j = 0; j < W; j++) {
            OF(letters)[tokens[t] * W + j] += dstart[j];
            OF(places)[t * W + j] += dstart[j];
        }
    }
#undef OF
}

/* The mean loss of the rows, and its gradient. Places behind a name's end count 0 and are left out. */
double gpt_value_and_grad(const double *params, int parameters, int letters, const int *tokens,
                          const int *next, const double *counts, int rows, double *gradient) {
    static _Thread_local Pass pass;
    double loss = 0;
    memset(gradient, 0, parameters * sizeof *gradient);
    for (int r = 0; r < rows; r++) {
        int n = T;
        while (n > 1 && counts[r * T + n - 1] == 0) n--;
        Weights w = weights_of(params, letters), d = weights_of(gradient, letters);
        loss += forward(w, letters, tokens + r * T, next + r * T, counts + r * T, n, &pass);
        backward(w, d, letters, tokens + r * T, next + r * T, counts + r * T, n, &pass);
    }
    for (int i = 0; i < parameters; i++) gradient[i] /= rows;
    return loss / rows;
}

/* Steps of Adam over consecutive batches; the rate falls from lr to 0. */
void gpt_train(double *params, int parameters, int letters, const int *tokens, const int *next,
               const double *counts, int rows, int batch, int steps, double lr, double *m, double *v,
               double *gradient, double *losses) {
    const double b1 = 0.85, b2 = 0.99;
    for (int step = 0; step < steps; step++) {
        int first = step * batch % (rows - batch + 1);
        losses[step] = gpt_value_and_grad(params, parameters, letters, tokens + first * T,
                                          next + first * T, counts + first * T, batch, gradient);
        double rate = lr * (1 - (double)step / steps);
        double c1 = 1 - pow(b1, step + 1), c2 = 1 - pow(b2, step + 1);
        for (int i = 0; i < parameters; i++) {
            m[i] = b1 * m[i] + (1 - b1) * gradient[i];
            v[i] = b2 * v[i] + (1 - b2) * gradient[i] * gradient[i];
            params[i] -= rate * (m[i] / c1) / (sqrt(v[i] / c2) + 1e-8);
        }
    }
}
