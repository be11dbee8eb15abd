/*
 * See driver.h.
 */
#define SUITE "fuzz"
#include "tests/fuzz/driver/driver.h"
#include "tests/harness/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_BYTES = 4096, CHANGED = 400, CUT = 64 };

typedef int fuzz_target_fn(const uint8_t *data, size_t size);

struct input {
    uint8_t bytes[INPUT_BYTES];
    size_t size;
};

static size_t below(size_t limit)
{
    return (size_t)(test_random() % limit);
}

/* One change: a byte replaced, a bit turned, a piece taken out, or doubled somewhere else. */
static void change(struct input *input)
{
    size_t at = below(input->size + 1), length = below(input->size - at + 1);
    switch (below(4)) {
    case 0:
        if (at < input->size)
            input->bytes[at] = (uint8_t)test_random();
        break;
    case 1:
        if (at < input->size)
            input->bytes[at] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
        memmove(input->bytes + at, input->bytes + at + length, input->size - at - length);
        input->size -= length;
        break;
    default:
        if (input->size + length <= INPUT_BYTES) {
            memmove(input->bytes + at + length, input->bytes + at, input->size - at);
            input->size += length;
        }
        break;
    }
}

static void run_changed(const struct input *input, fuzz_target_fn *target)
{
    struct input changed = *input;
    for (size_t changes = 1 + below(4); changes > 0; changes--)
        change(&changed);
    (void)target(changed.bytes, changed.size);
}

static void run_input(const struct input *input, fuzz_target_fn *target)
{
    AIO_CHECK_EQ(target(input->bytes, input->size), 0);
    for (size_t size = 0; size < input->size && size < CUT; size++)
        (void)target(input->bytes, size);
    for (int64_t i = CHANGED / test_slowness(); i > 0; i--)
        run_changed(input, target);
}

static bool load(struct input *input, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, input->bytes, INPUT_BYTES) : -1;
    input->size = n > 0 ? (size_t)n : 0;
    return AIO_CHECK(fd >= 0 && close(fd) == 0) && AIO_CHECK(n >= 0 && n < INPUT_BYTES);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

void fuzz_run_corpus(const char *name, fuzz_target_fn *target)
{
    char path[512];
    struct dirent **files;
    struct input input;
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", name);
    int count = scandir(path, &files, not_hidden, alphasort);
    REQUIRE(count > 0); /* from the project's folder, as `scons test` runs it */
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%s", name, files[i]->d_name);
        fprintf(stderr, "%s\n", path);
        if (load(&input, path))
            run_input(&input, target);
        free(files[i]);
    }
    free(files);
}
