/*
 * Runs fuzz targets without a fuzzer, see tests/fuzz/fuzz.h.
 */
#ifndef AIO_TESTS_FUZZ_DRIVER_H
#define AIO_TESTS_FUZZ_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* Runs the target on each file of the target's corpus, on their beginnings, and on files that were
 * changed at random with the seed that is printed. What breaks the target ends the process; the
 * name of the file was the last one printed. */
void fuzz_run_corpus(const char *name, int (*target)(const uint8_t *data, size_t size));

#endif
