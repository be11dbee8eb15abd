/*
 * What fuzz targets share. A target is a file of this folder:
 *
 *     #include "tests/fuzz/fuzz.h"
 *
 *     FUZZ_TARGET(name)
 *     {
 *         ... size bytes at data; FUZZ_CHECK what must hold for any ...
 *         return 0;
 *     }
 *
 * `scons fuzz` makes a program of each with clang's libFuzzer, whose entry point the macro defines.
 * For `scons test` all of them together are an ordinary program, in which the macro registers a
 * test: driver/ runs the files of corpus/NAME, and changed ones, through the target. An input that
 * broke something belongs there, under a name that says what it is.
 */
#ifndef AIO_TESTS_FUZZ_FUZZ_H
#define AIO_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_REGRESSION
#define SUITE "fuzz"
#include "tests/fuzz/driver/driver.h"
#include "tests/harness/harness.h"
#define FUZZ_TARGET(name)                                                                          \
    static int fuzz_##name(const uint8_t *data, size_t size);                                      \
    PLAIN(name)                                                                                    \
    {                                                                                              \
        fuzz_run_corpus(#name, fuzz_##name);                                                       \
    }                                                                                              \
    static int fuzz_##name(const uint8_t *data, size_t size)
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ_TARGET(name) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#endif

/* Ends the process, which is how libFuzzer learns of it. */
#define FUZZ_CHECK(expression)                                                                     \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expression);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy in a block of its own size, whose end sanitizers see; to be freed. */
static inline char *fuzz_block(const uint8_t *data, size_t size)
{
    char *block = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(block != NULL);
    if (size > 0)
        memcpy(block, data, size);
    return block;
}

/* The same as a text, up to the first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    size_t length = size > 0 ? strnlen((const char *)data, size) : 0;
    char *text = malloc(length + 1);
    FUZZ_CHECK(text != NULL);
    if (length > 0)
        memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

#endif
