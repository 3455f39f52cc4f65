/* Loops that NumPy does in many passes: means over areas of a picture, and suppression of boxes.
 *
 * Every operation is the one that the NumPy twin does, in its precision and order: results have the same bits.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

#define CHANNELS 3

/* Where each of `size` target pixels begins and ends in a stretch of source pixels. */
static void edges(int64_t start, int64_t end, int64_t size, int32_t *first, int32_t *last)
{
    int64_t extent = end - start;
    for (int64_t i = 0; i < size; i++) {
        first[i] = (int32_t)(start + i * extent / size);
        last[i] = (int32_t)(start + ((i + 1) * extent + size - 1) / size);
    }
}

/* One region of one picture. `space`: 2 * height + 4 * width + columns numbers of 4 bytes. */
static void average(const int32_t *restrict sums, int64_t rows, int64_t columns, const int64_t *region,
                    int64_t height, int64_t width, float *restrict out, int32_t *restrict space)
{
    int32_t *restrict top = space, *restrict bottom = top + height;
    int32_t *restrict left = bottom + height, *restrict right = left + width;
    int32_t *restrict sum = right + width, *restrict strip = sum + width;
    float *restrict wide = (float *)(strip + columns);
    int shared = region[2] - region[0] < 2 * width; /* neighbours share most of what they look up */
    edges(region[1], region[3], height, top, bottom);
    edges(region[0], region[2], width, left, right);
    for (int64_t x = 0; x < width; x++)
        wide[x] = (float)(right[x] - left[x]);
    for (int channel = 0; channel < CHANNELS; channel++) {
        const int32_t *plane = sums + channel * rows * columns;
        for (int64_t y = 0; y < height; y++) {
            const int32_t *restrict above = plane + top[y] * columns, *restrict below = plane + bottom[y] * columns;
            float thick = (float)(bottom[y] - top[y]) * 128.0f; /* areas are whole and small: products are exact */
            if (shared) {
                for (int64_t x = region[0]; x <= region[2]; x++)
                    strip[x] = below[x] - above[x];
                for (int64_t x = 0; x < width; x++)
                    sum[x] = strip[right[x]] - strip[left[x]];
            } else {
                for (int64_t x = 0; x < width; x++)
                    sum[x] = (below[right[x]] - above[right[x]]) - (below[left[x]] - above[left[x]]);
            }
            for (int64_t x = 0; x < width; x++)
                out[x] = (float)sum[x] / (wide[x] * thick) - 127.5f / 128.0f;
            out += width;
        }
    }
}

/* average(sums, rows, columns, regions, height, width, out) */
static PyObject *py_average(PyObject *module, PyObject *args)
{
    Py_buffer sums, regions, out;
    Py_ssize_t rows, columns, height, width;
    if (!PyArg_ParseTuple(args, "y*nny*nnw*", &sums, &rows, &columns, &regions, &height, &width, &out))
        return NULL;
    const int64_t *region = regions.buf;
    Py_ssize_t count = regions.len / (4 * (Py_ssize_t)sizeof(int64_t));
    const char *wrong = NULL;
    if (rows < 1 || columns < 1 || height < 1 || width < 1)
        wrong = "sizes must be at least 1";
    else if (sums.len / CHANNELS / 4 / columns != rows || sums.len % (CHANNELS * 4 * columns))
        wrong = "sums must be 3 planes of int32";
    else if (regions.len % (4 * sizeof(int64_t)))
        wrong = "regions must be four int64 each";
    else if (out.len != count * CHANNELS * height * width * (Py_ssize_t)sizeof(float))
        wrong = "out must have room for all regions";
    for (Py_ssize_t i = 0; !wrong && i < count; i++) {
        const int64_t *r = region + 4 * i;
        if (r[0] < 0 || r[1] < 0 || r[2] <= r[0] || r[3] <= r[1] || r[2] >= columns || r[3] >= rows)
            wrong = "a region is empty, or lies beyond the picture";
    }
    int32_t *space = wrong ? NULL : malloc((size_t)(2 * height + 4 * width + columns) * 4);
    if (space) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++)
            average(sums.buf, rows, columns, region + 4 * i, height, width,
                    (float *)out.buf + i * CHANNELS * height * width, space);
        Py_END_ALLOW_THREADS
        free(space);
    }
    PyBuffer_Release(&sums);
    PyBuffer_Release(&regions);
    PyBuffer_Release(&out);
    if (wrong)
        PyErr_SetString(PyExc_ValueError, wrong);
    else if (!space)
        PyErr_NoMemory();
    else
        Py_RETURN_NONE;
    return NULL;
}

static inline float least(float a, float b)
{
    return a < b ? a : b;
}

static inline float most(float a, float b)
{
    return a > b ? a : b;
}

/* Mark which of the boxes after one it suppresses; boxes are five rows: x1, y1, x2, y2, area. */
static inline void mark(const float *boxes, Py_ssize_t count, Py_ssize_t one, float threshold, int inclusive,
                        int smaller, int32_t *dead)
{
    const float *x1 = boxes, *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count, *area = y2 + count;
    float left = x1[one], top = y1[one], right = x2[one], bottom = y2[one], own = area[one];
    for (Py_ssize_t i = one + 1; i < count; i++) {
        float width = least(right, x2[i]) - most(left, x1[i]);
        float height = least(bottom, y2[i]) - most(top, y1[i]);
        if (inclusive) {
            width += 1;
            height += 1;
        }
        float inter = most(width, 0) * most(height, 0);
        float whole = smaller ? least(own, area[i]) : (own + area[i]) - inter;
        dead[i] |= inter / whole > threshold;
    }
}

/* suppress(boxes, threshold, inclusive, smaller, kept): one byte for each box, which come best first */
static PyObject *py_suppress(PyObject *module, PyObject *args)
{
    Py_buffer buffer, kept;
    float threshold;
    int inclusive, smaller;
    if (!PyArg_ParseTuple(args, "y*fppw*", &buffer, &threshold, &inclusive, &smaller, &kept))
        return NULL;
    Py_ssize_t count = kept.len;
    int fits = buffer.len == 5 * count * (Py_ssize_t)sizeof(float);
    int32_t *dead = fits ? calloc((size_t)count + 1, sizeof(int32_t)) : NULL;
    if (dead) {
        const float *boxes = buffer.buf, *area = boxes + 4 * count;
        char *keep = kept.buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++) {
            keep[i] = !dead[i];
            if (dead[i] || area[i] != area[i]) /* not a number: it overlaps nothing */
                continue;
            if (inclusive && smaller)
                mark(boxes, count, i, threshold, 1, 1, dead);
            else if (inclusive)
                mark(boxes, count, i, threshold, 1, 0, dead);
            else if (smaller)
                mark(boxes, count, i, threshold, 0, 1, dead);
            else
                mark(boxes, count, i, threshold, 0, 0, dead);
        }
        Py_END_ALLOW_THREADS
        free(dead);
    }
    PyBuffer_Release(&buffer);
    PyBuffer_Release(&kept);
    if (!fits)
        PyErr_SetString(PyExc_ValueError, "boxes must be five rows of float32, as long as what is kept");
    else if (!dead)
        PyErr_NoMemory();
    else
        Py_RETURN_NONE;
    return NULL;
}

static PyMethodDef methods[] = {
    {"average", py_average, METH_VARARGS, "Fill in the standardised means of regions of a picture."},
    {"suppress", py_suppress, METH_VARARGS, "Mark the boxes that no better one suppresses."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernels", "Loops of faceport, compiled.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&definition);
}
