/*
 * Choosing a backend: by name, or the first of the list that can be had and passes a self-test.
 * Every refusal keeps its reason in the explanation.
 */
#include "backends/caps.h"
#include "backends/selftest.h"
#include "core/core.h"

#if AIO_WITH_URING
#include "backends/uring/uring.h"
#endif
#if AIO_WITH_EV
#include "backends/ev/ev.h"
#endif

#include <string.h>

struct aio__backend *(*aio__backend_wrap)(struct aio__backend *inner);

struct registry_entry {
    const char *name;
    const char *alias;
    aio__backend_open_fn *open; /* NULL: not compiled in */
};

/* In the order in which auto tries them. */
static const struct registry_entry registry[] = {
#if AIO_WITH_URING
    {"uring", "uring", aio__uring_open},
#else
    {"uring", "uring", NULL},
#endif
#if AIO_WITH_EV
    {"epoll", "ev", aio__ev_open},
#else
    {"epoll", "ev", NULL},
#endif
};

#define REGISTRY_COUNT (sizeof registry / sizeof registry[0])

static int registry_check_caps(const char *caps)
{
    const char *unknown;
    int length;
    if (aio__caps_check(caps, &unknown, &length) == 0)
        return 0;
    char names[512] = "";
    const struct aio__cap *tables[] = {aio__uring_cap_table, aio__ev_cap_table};
    for (size_t i = 0; i < 2; i++) {
        for (const struct aio__cap *cap = tables[i]; cap->name != NULL; cap++) {
            strncat(names, ", ", sizeof names - strlen(names) - 1);
            strncat(names, cap->name, sizeof names - strlen(names) - 1);
        }
    }
    aio__log_error("unknown capability '%.*s': choose all, none%s; a leading '-' masks one", length,
                   unknown, names);
    return -EINVAL;
}

static int registry_open(const struct registry_entry *entry, struct aio__backend **out,
                         const struct aio__backend_params *params)
{
    struct aio__explain *explain = params->explain;
    if (entry->open == NULL) {
        aio__explain_add(explain, "%s: not compiled in\n", entry->name);
        return -ENOSYS;
    }
    int rc = entry->open(out, params);
    if (rc < 0)
        return rc;
    rc = aio__backend_selftest(*out);
    if (rc == 0)
        return 0;
    (*out)->vtable->close(*out);
    aio__explain_add(explain, "%s: %s: the self-test failed (%s)\n", entry->name,
                     aio_error_name(rc), aio_error_text(rc));
    return rc;
}

static int registry_choose(struct aio__backend **out, const char *wanted,
                           const struct aio__backend_params *params)
{
    bool automatic = strcmp(wanted, "auto") == 0;
    bool known = automatic;
    int rc = -ENOSYS;
    for (size_t i = 0; i < REGISTRY_COUNT; i++) {
        const struct registry_entry *entry = &registry[i];
        if (!automatic && strcmp(wanted, entry->name) != 0 && strcmp(wanted, entry->alias) != 0)
            continue;
        known = true;
        int opened = registry_open(entry, out, params);
        if (opened == 0)
            return 0;
        if (entry->open != NULL)
            rc = opened; /* a refusal says more than "not compiled in" */
    }
    if (known)
        return rc;
    aio__log_error("unknown backend '%s': choose auto, uring, or epoll (ev)", wanted);
    return -EINVAL;
}

/* One log line per line of the explanation. */
static void registry_log(enum aio__log_level level, const struct aio__explain *explain)
{
    const char *line = explain->text;
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        aio__log(level, "%.*s", (int)length, line);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
}

int aio__backend_choose(struct aio__backend **out, const char *wanted,
                        const struct aio__backend_params *params)
{
    struct aio__explain *explain = params->explain;
    int rc = registry_check_caps(params->caps);
    if (rc < 0)
        return rc;
    rc = registry_choose(out, wanted, params);
    if (rc < 0) {
        registry_log(AIO__LOG_ERROR, explain);
        return rc;
    }
    aio__explain_add(explain, "backend: %s\n", (*out)->vtable->name);
    registry_log(AIO__LOG_INFO, explain);
    params->offload->backend = *out;
    if (aio__backend_wrap != NULL)
        *out = aio__backend_wrap(*out);
    return 0;
}
