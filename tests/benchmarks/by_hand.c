/* A network of relu layers trained by hand: rows side by side in vectors, tiles of sums in registers.

   Weights of a layer: (outputs, inputs padded to a multiple of 8), then its biases. Activations and
   slopes: (units, rows of the batch padded to a multiple of 8). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of a register, and so many of those by four rows in a tile: what registers there are. */
#if defined(__AVX512F__)
#define LANES 8
#define WIDTH 4
#elif defined(__AVX__)
#define LANES 4
#define WIDTH 2
#else
#define LANES 2
#define WIDTH 4
#endif

typedef double V __attribute__((vector_size(8 * LANES), aligned(8)));
#define PAD(n) (((n) + 7) / 8 * 8)
#define MOST 8

static V load(const double *p) { return *(const V *)p; }
static void store(double *p, V v) { *(V *)p = v; }

#define TILE(height, width)                                                                       \
    {                                                                                             \
        V s[height][width];                                                                       \
        for (int a = 0; a < height; a++)                                                          \
            for (int b = 0; b < width; b++) s[a][b] = (V){0} + (bias ? bias[i + a] : 0.0);        \
        for (int k = 0; k < K; k++)                                                               \
            for (int b = 0; b < width; b++) {                                                     \
                V x = load(B + (long)k * rb + r + LANES * b);                                     \
                for (int a = 0; a < height; a++) s[a][b] += A[(long)(i + a) * ra + (long)k * ca] * x; \
            }                                                                                     \
        for (int a = 0; a < height; a++)                                                          \
            for (int b = 0; b < width; b++) store(C + (long)(i + a) * rc + r + LANES * b, s[a][b]); \
    }

/* C[i][r] = bias[i] + sum over k of A[i ra + k ca] B[k][r]; R is a multiple of 8. */
static void product(int I, int K, int R, const double *A, int ra, int ca, const double *B, int rb,
                    double *restrict C, int rc, const double *bias) {
    int r = 0;
    for (; r + WIDTH * LANES <= R; r += WIDTH * LANES) {
        int i = 0;
        for (; i + 4 <= I; i += 4) TILE(4, WIDTH)
        for (; i < I; i++) TILE(1, WIDTH)
    }
    for (; r < R; r += LANES) {
        int i = 0;
        for (; i + 4 <= I; i += 4) TILE(4, 1)
        for (; i < I; i++) TILE(1, 1)
    }
}

static void transpose(int n, int m, const double *a, int ra, double *restrict b, int rb) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) b[(long)j * rb + i] = a[(long)i * ra + j];
}

static double cross_entropy(int O, int R, int n, double *z, const double *y) {
    double loss = 0;
    for (int r = 0; r < R; r++) {
        double top = z[r], sum = 0, hit = 0;
        for (int o = 1; o < O; o++) top = fmax(top, z[o * R + r]);
        for (int o = 0; o < O; o++) {
            double t = r < n ? y[(long)r * O + o] : 0;
            hit += t * (z[o * R + r] - top);
            z[o * R + r] = exp(z[o * R + r] - top);
            sum += z[o * R + r];
        }
        for (int o = 0; o < O; o++)
            z[o * R + r] = r < n ? (z[o * R + r] / sum - y[(long)r * O + o]) / n : 0;
        if (r < n) loss += log(sum) - hit;
    }
    return loss / n;
}

static double margin(int R, int n, double *z, const double *y) {
    double loss = 0;
    for (int r = 0; r < R; r++) {
        double m = r < n ? 1 - y[r] * z[r] : 0;
        z[r] = m > 0 ? -y[r] / n : 0;
        loss += m > 0 ? m : 0;
    }
    return loss / n;
}

typedef struct {
    int layers, sizes[MOST], is_margin, step;
    double rate, penalty, *p, *g, *m, *v, *a[MOST], *d[MOST], *rows;
} Network;

static double gradient(Network *t, const double *X, const double *y, int n) {
    int R = PAD(n), L = t->layers;
    double *p = t->p, *start[MOST];
    transpose(n, t->sizes[0], X, t->sizes[0], t->a[0], R);
    for (int l = 0; l < L; l++) {
        int in = t->sizes[l], out = t->sizes[l + 1], ld = PAD(in);
        start[l] = p;
        product(out, in, R, p, ld, 1, t->a[l], R, t->a[l + 1], R, p + (long)out * ld);
        if (l < L - 1)
            for (int k = 0; k < out * R; k++) t->a[l + 1][k] = fmax(t->a[l + 1][k], 0);
        p += (long)out * ld + PAD(out);
    }
    double *z = t->a[L], loss = t->is_margin ? margin(R, n, z, y) : cross_entropy(t->sizes[L], R, n, z, y);
    double *slope = z;
    for (int l = L - 1; l >= 0; l--) {
        int in = t->sizes[l], out = t->sizes[l + 1], ld = PAD(in);
        double *g = t->g + (start[l] - t->p);
        if (l) transpose(in, R, t->a[l], R, t->rows, ld);
        else for (int r = 0; r < n; r++) memcpy(t->rows + (long)r * ld, X + (long)r * in, 8 * in);
        product(out, n, ld, slope, R, 1, t->rows, ld, g, ld, 0);
        for (int o = 0; o < out; o++) {
            double sum = 0;
            for (int r = 0; r < R; r++) sum += slope[o * R + r];
            g[(long)out * ld + o] = sum;
        }
        if (l) {
            product(in, out, R, start[l], 1, ld, slope, R, t->d[l], R, 0);
            for (int k = 0; k < in * R; k++) t->d[l][k] = t->a[l][k] > 0 ? t->d[l][k] : 0;
            slope = t->d[l];
        }
    }
    return loss;
}

/* So many passes over the rows; numbers: parameters, then room for gradient, mean and square. */
void train(int layers, const int *sizes, int is_margin, double rate, double penalty, double *numbers,
           long count, int *steps, const double *X, const double *y, int rows, int batch, int passes,
           double *losses) {
    Network t = {.layers = layers, .is_margin = is_margin, .step = *steps, .rate = rate, .penalty = penalty,
                 .p = numbers, .g = numbers + count, .m = numbers + 2 * count, .v = numbers + 3 * count};
    int most = 0, R = PAD(batch), O = sizes[layers];
    for (int l = 0; l <= layers; l++) {
        t.sizes[l] = sizes[l];
        if (sizes[l] > most) most = sizes[l];
        t.a[l] = aligned_alloc(64, sizeof(double) * R * PAD(sizes[l]));
        t.d[l] = aligned_alloc(64, sizeof(double) * R * PAD(sizes[l]));
        memset(t.a[l], 0, sizeof(double) * R * PAD(sizes[l]));
    }
    t.rows = aligned_alloc(64, sizeof(double) * R * PAD(most));
    memset(t.rows, 0, sizeof(double) * R * PAD(most));
    for (int pass = 0; pass < passes; pass++)
        for (int first = 0; first < rows; first += batch) {
            int n = rows - first < batch ? rows - first : batch;
            double loss = gradient(&t, X + (long)first * sizes[0], y + (long)first * O, n), squares = 0;
            t.step++;
            double one = rate / (1 - pow(0.9, t.step)), two = 1 / sqrt(1 - pow(0.999, t.step));
            if (is_margin)
                for (long k = 0; k < count; k++) {
                    squares += t.p[k] * t.p[k];
                    t.p[k] -= rate * (t.g[k] + 2 * penalty * t.p[k]);
                }
            else
                for (long k = 0; k < count; k++) {
                    double g = t.g[k];
                    t.m[k] = 0.9 * t.m[k] + 0.1 * g;
                    t.v[k] = 0.999 * t.v[k] + 0.001 * g * g;
                    t.p[k] -= one * t.m[k] / (sqrt(t.v[k]) * two + 1e-8);
                }
            *losses++ = loss + penalty * squares;
        }
    *steps = t.step;
    for (int l = 0; l <= layers; l++) free(t.a[l]), free(t.d[l]);
    free(t.rows);
}
