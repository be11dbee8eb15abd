/* Readings of clocks, and the report made of two of them. */
#include <stdio.h>
#include <time.h>

#include "bench/lib/cpu.h"
#include "bench/load/load.h"

/* Above this part of its CPU the load is taken to be what limits the run, unless the server is as
 * busy itself. */
#define BUSY_LIMIT 0.95

static int64_t own_cpu(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return AIO_SEC(time.tv_sec) + time.tv_nsec;
}

struct load_reading load_read(const struct load *load)
{
    return (struct load_reading){
        .now_ns = aio_time_now(),
        .own_cpu_ns = own_cpu(),
        .server_cpu_ns = load->options.watch ? cpu_of_process(load->options.watch) : 0,
    };
}

struct figures {
    double seconds, rate, busy, server_busy, p50, p99, p999, max;
    int64_t server_cpu_ns;
    bool bottleneck;
};

static struct figures compute(const struct load *load, const struct load_reading *begin,
                              const struct load_reading *end)
{
    double ns = (double)(end->now_ns - begin->now_ns);
    struct figures f = {
        .seconds = ns / 1e9,
        .rate = (double)load->requests * 1e9 / ns,
        .busy = (double)(end->own_cpu_ns - begin->own_cpu_ns) / ns,
        .server_cpu_ns = end->server_cpu_ns - begin->server_cpu_ns,
        .p50 = (double)histogram_quantile(&load->latency, 0.5) / 1e3,
        .p99 = (double)histogram_quantile(&load->latency, 0.99) / 1e3,
        .p999 = (double)histogram_quantile(&load->latency, 0.999) / 1e3,
        .max = (double)load->latency.max / 1e3,
    };

    f.server_busy = (double)f.server_cpu_ns / ns;
    f.bottleneck = f.busy > BUSY_LIMIT && f.server_busy < BUSY_LIMIT;
    return f;
}

static void print_json(const struct load *load, const struct figures *f)
{
    const struct load_options *options = &load->options;

    printf("{\"backend\": \"%s\", \"connections\": %d, \"size\": %zu, \"depth\": %d, "
           "\"seconds\": %.4f, \"requests\": %llu, \"requests_total\": %llu, "
           "\"requests_per_s\": %.0f, ",
           aio_runtime_backend(), options->connections, options->size, options->depth, f->seconds,
           (unsigned long long)load->requests, (unsigned long long)load->requests_total, f->rate);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
           "\"wrong\": %llu, \"errors\": %llu, \"lost\": %llu, \"busy\": %.3f, \"server_cpu_ns\": "
           "%lld, "
           "\"server_busy\": %.3f, \"bottleneck\": %s}\n",
           f->p50, f->p99, f->p999, f->max, (unsigned long long)load->wrong,
           (unsigned long long)load->errors, (unsigned long long)load->lost, f->busy,
           (long long)f->server_cpu_ns, f->server_busy, f->bottleneck ? "true" : "false");
}

static void print_text(const struct load *load, const struct figures *f)
{
    printf("%llu requests in %.2f s: %.0f requests/s, %.1f MiB/s each way (load on %s)\n",
           (unsigned long long)load->requests, f->seconds, f->rate,
           f->rate * (double)load->options.size / (1 << 20), aio_runtime_backend());
    printf("latency: p50 %.1f us, p99 %.1f us, p99.9 %.1f us, longest %.1f us\n", f->p50, f->p99,
           f->p999, f->max);
    if (load->options.watch && load->requests)
        printf("server: %.2f us of CPU per request, %.0f %% busy\n",
               (double)f->server_cpu_ns / 1e3 / (double)load->requests, 100 * f->server_busy);
    printf("load: %.0f %% busy%s\n", 100 * f->busy,
           f->bottleneck ? ": the load, not the server, is the bottleneck" : "");
    printf("every byte checked: %llu wrong answers, %llu failed connections\n",
           (unsigned long long)load->wrong, (unsigned long long)load->errors);
    if (load->lost)
        printf("%llu datagrams were lost\n", (unsigned long long)load->lost);
}

void load_report(const struct load *load, const struct load_reading *begin,
                 const struct load_reading *end)
{
    struct figures f = compute(load, begin, end);

    if (load->options.json)
        print_json(load, &f);
    else
        print_text(load, &f);
}
