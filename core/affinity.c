/*
 * Which processors the cores of a runtime may have: the affinity mask of the process, and the quota
 * of its control group (cpu.max of cgroup v2, cpu.cfs_quota_us of v1; see cgroups(7)).
 */
#include "core/runtime.h"

#include <aio/runtime.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define AFFINITY_PATH_BYTES 768

/* The numbers at the start of a file. Returns how many there are. */
static int affinity_numbers(const char *path, long long *first, long long *second)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    int found = fscanf(file, "%lld %lld", first, second); /* "max 100000" finds nothing */
    (void)fclose(file);
    return found;
}

/* A quota of one group, rounded up to whole processors; 0: none. */
static uint32_t affinity_quota(const char *group, bool version_1)
{
    char path[AFFINITY_PATH_BYTES + 32];
    long long quota = 0;
    long long period = 100000;
    long long unused;
    (void)snprintf(path, sizeof path, "%s/%s", group, version_1 ? "cpu.cfs_quota_us" : "cpu.max");
    int found = affinity_numbers(path, &quota, &period);
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", group);
    if (version_1)
        (void)affinity_numbers(path, &period, &unused);
    if (found < 1 || quota <= 0 || period <= 0)
        return 0;
    return (uint32_t)((quota + period - 1) / period);
}

static uint32_t affinity_least(uint32_t one, uint32_t other)
{
    return one == 0 || (other != 0 && other < one) ? other : one;
}

/* The quotas of a group and of those above it, up to the root of the hierarchy. */
static uint32_t affinity_hierarchy(const char *root, const char *name, bool version_1)
{
    char group[AFFINITY_PATH_BYTES];
    int length = snprintf(group, sizeof group, "%s%s", root, name);
    if (length < 0 || (size_t)length >= sizeof group)
        return 0;
    uint32_t least = affinity_quota(group, version_1);
    while (strlen(group) > strlen(root)) {
        *strrchr(group, '/') = '\0';
        least = affinity_least(least, affinity_quota(group, version_1));
    }
    return least;
}

/* Whether a list of controllers, like "cpu,cpuacct", names cpu. */
static bool affinity_has_cpu(const char *controllers)
{
    return strncmp(controllers, "cpu:", 4) == 0 || strncmp(controllers, "cpu,", 4) == 0 ||
           strstr(controllers, ",cpu:") != NULL || strstr(controllers, ",cpu,") != NULL;
}

/* A line of /proc/self/cgroup, "ID:CONTROLLERS:/GROUP"; that of version 2 has no controllers. */
static uint32_t affinity_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *name = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (name == NULL)
        return 0;
    if (name == controllers + 1) {
        uint32_t least = affinity_hierarchy("/sys/fs/cgroup", name + 1, false);
        return affinity_least(least, affinity_hierarchy("/sys/fs/cgroup/unified", name + 1, false));
    }
    if (!affinity_has_cpu(controllers + 1))
        return 0;
    return affinity_hierarchy("/sys/fs/cgroup/cpu", name + 1, true);
}

/* 0: no quota. */
static uint32_t affinity_cgroup(void)
{
    char line[AFFINITY_PATH_BYTES];
    uint32_t least = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        least = affinity_least(least, affinity_line(line));
    (void)fclose(file);
    return least;
}

void aio__affinity_read(cpu_set_t *allowed)
{
    CPU_ZERO(allowed);
    if (sched_getaffinity(0, sizeof *allowed, allowed) < 0)
        CPU_SET(0, allowed);
}

/* The thread of a core is pinned, and still tells what its runtime may use. */
void aio__affinity_allowed(cpu_set_t *allowed)
{
    if (aio__core_current != NULL)
        *allowed = aio__core_current->runtime->allowed;
    else
        aio__affinity_read(allowed);
}

static uint32_t affinity_count(const cpu_set_t *allowed)
{
    uint32_t count = (uint32_t)CPU_COUNT(allowed);
    uint32_t quota = affinity_cgroup();
    if (quota > 0 && quota < count)
        count = quota;
    if (count > AIO_CORES_MAX)
        count = AIO_CORES_MAX;
    return count > 0 ? count : 1;
}

uint32_t aio_runtime_cpus(void)
{
    cpu_set_t allowed;
    aio__affinity_allowed(&allowed);
    return affinity_count(&allowed);
}

static void affinity_set(const cpu_set_t *set, uint32_t index)
{
    if (sched_setaffinity(0, sizeof *set, set) < 0)
        aio__log_warn("core %u: its processors cannot be set: %s", index, aio_error_name(-errno));
}

static bool affinity_wanted(const struct aio_runtime *runtime)
{
    return runtime->count > 1 && (runtime->options.flags & AIO_RUNTIME_NO_PINNING) == 0 &&
           runtime->count <= (uint32_t)CPU_COUNT(&runtime->allowed);
}

void aio__affinity_pin(const struct aio_runtime *runtime, uint32_t index)
{
    cpu_set_t one;
    if (!affinity_wanted(runtime)) {
        if (runtime->from_core)
            affinity_set(&runtime->allowed, index);
        return;
    }
    int cpu = -1;
    for (uint32_t seen = 0; seen <= index; seen++)
        do
            cpu++;
        while (!CPU_ISSET(cpu, &runtime->allowed));
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    affinity_set(&one, index);
}

void aio__affinity_widen(const struct aio_runtime *runtime)
{
    if (affinity_wanted(runtime))
        (void)sched_setaffinity(0, sizeof runtime->allowed, &runtime->allowed);
}

void aio__affinity_unpin(const struct aio_runtime *runtime, const cpu_set_t *before)
{
    if (affinity_wanted(runtime))
        affinity_set(before, 0);
}
