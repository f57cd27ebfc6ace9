/* Soft rounding (Eq. 10) in C, as a program that npuq judges:

       cc -O2 -o answers answers_in_c.c -lm && npuq check --command ./answers

   It answers lines of JSON as npuq/checks/README.md says, without a library: the judge writes them
   in one form, so that searching for words is enough. It has two faults, which the report names. */

#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double soft_round(double y, double alpha) {
    double r = y - floor(y) - 0.5;
    return floor(y) + 0.5 * tanh(alpha * r) / tanh(alpha / 2) + 0.5; /* 0 / 0 at alpha = 0 */
}

static double round_half_up(double y) {
    return nearbyint(y); /* half to even */
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit(char c) {
    const char *place = c == '=' ? NULL : strchr(BASE64, c);
    return place ? (int)(place - BASE64) : 0;
}

static size_t decode(const char *text, size_t length, unsigned char *bytes) {
    size_t n = 0;
    for (size_t i = 0; i + 3 < length; i += 4) {
        int v = digit(text[i]) << 18 | digit(text[i + 1]) << 12 | digit(text[i + 2]) << 6 |
                digit(text[i + 3]);
        bytes[n++] = v >> 16;
        if (text[i + 2] != '=') bytes[n++] = v >> 8 & 255;
        if (text[i + 3] != '=') bytes[n++] = v & 255;
    }
    return n;
}

static void print_base64(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i += 3) {
        int second = i + 1 < n ? bytes[i + 1] : 0, third = i + 2 < n ? bytes[i + 2] : 0;
        int v = bytes[i] << 16 | second << 8 | third;
        putchar(BASE64[v >> 18]);
        putchar(BASE64[v >> 12 & 63]);
        putchar(i + 1 < n ? BASE64[v >> 6 & 63] : '=');
        putchar(i + 2 < n ? BASE64[v & 63] : '=');
    }
}

/* What stands behind a word of the line. */
static char *behind(char *line, const char *word) {
    return strstr(line, word) + strlen(word);
}

static void answer(char *line) {
    int soft = strstr(line, "\"soft_round\"") != NULL, single = strstr(line, "\"float32\"") != NULL;
    char *shape = behind(line, "\"shape\": "), *data = behind(line, "\"data\": \"");
    char *end = strchr(data, '"');
    double alpha = soft ? strtod(behind(end, "},"), NULL) : 0; /* of 1e999 it makes infinity */
    unsigned char *bytes = malloc(end - data + 4);
    size_t n = decode(data, end - data, bytes), width = single ? sizeof(float) : sizeof(double);
    for (size_t i = 0; i < n; i += width) { /* little-endian, as most machines are */
        float f = 0;
        double y = 0;
        memcpy(single ? (void *)&f : (void *)&y, bytes + i, width);
        y = single ? f : y;
        y = soft ? soft_round(y, alpha) : round_half_up(y);
        f = (float)y;
        memcpy(bytes + i, single ? (void *)&f : (void *)&y, width);
    }
    printf("{\"result\": {\"dtype\": \"%s\", \"shape\": %.*s, \"data\": \"",
           single ? "float32" : "float64", (int)(strchr(shape, ']') + 1 - shape), shape);
    print_base64(bytes, n);
    puts("\"}}");
    free(bytes);
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        if (strstr(line, "\"list\""))
            puts("{\"names\": [\"soft_round\", \"round_half_up\"]}");
        else
            answer(line);
        fflush(stdout);
    }
    free(line);
    return 0;
}
