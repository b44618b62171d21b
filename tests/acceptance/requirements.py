"""Every promise that the project took over from its model, and the tests that show each.

The numbers are those of the checklist that the project works from; the sentences are its rows in
short. A row is in ROWS only when its tests would fail if the row did not hold; what nobody shows
yet is in OPEN, and nowhere else. tests/docs/test_docs_requirements.py checks both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LAST = 143


@dataclass(frozen=True)
class Row:
    """`shown_by` are test ids below tests/."""

    says: str
    shown_by: tuple[str, ...]


def row(says: str, *shown_by: str) -> Row:
    """One row."""
    return Row(says, shown_by)


ROWS: Mapping[int, Row] = {
    1: row(
        "The tool server is a process of its own that speaks JSON-RPC in lines on stdio.",
        "integration/test_tools_protocol.py::test_every_malformed_line_is_answered_and_survived",
        "integration/test_tools_protocol.py::test_end_of_input_ends_the_process",
    ),
    2: row(
        "`initialize` answers with protocol version, tools capability, server name and version.",
        "integration/test_tools_protocol.py::test_every_malformed_line_is_answered_and_survived",
    ),
    3: row(
        "The notification `initialized` gets no reply.",
        "integration/test_tools_protocol.py::test_unknown_notifications_get_no_answer",
    ),
    4: row(
        "`tools/list` gives every tool of the phase with name, description and input schema.",
        "integration/test_tools_protocol.py::test_investigate_phase_has_exactly_the_nine_reading_tools",
        "integration/test_tools_protocol.py::test_remediate_phase_has_all_twelve",
        "unit/mcp_tools/test_tools_settings.py::test_every_description_says_when_and_gives_an_example",
    ),
    5: row(
        "`tools/call` goes by name and returns content blocks and an error flag.",
        "integration/test_tools_protocol.py::test_calls_are_numbered_and_name_themselves",
        "integration/test_tools_protocol.py::test_wrong_arguments_are_error_results_and_the_server_lives_on",
    ),
    6: row(
        "Unknown tool: error result; unknown method: -32601; bad JSON: -32700; the server lives on.",
        "integration/test_tools_protocol.py::test_wrong_arguments_are_error_results_and_the_server_lives_on",
        "integration/test_tools_protocol.py::test_malformed_requests_are_answered_under_their_id",
        "integration/test_tools_protocol.py::test_every_malformed_line_is_answered_and_survived",
    ),
    7: row(
        "A tool that hangs or crashes takes down neither the agent nor other tools.",
        "integration/test_tools_protocol.py::test_a_hanging_call_delays_no_other",
        "integration/test_tools_protocol.py::test_a_cancelled_call_ends_without_an_answer",
        "integration/test_tools_queries.py::test_strange_answers_are_errors_not_crashes",
        "integration/test_agent_runbook.py::test_tool_server_that_crashes_makes_the_engine_unavailable",
    ),
    8: row(
        "Without keys of integrations there are exactly twelve tools.",
        "integration/test_tools_protocol.py::test_remediate_phase_has_all_twelve",
        "unit/mcp_tools/test_tools_settings.py::test_phases_have_nine_and_twelve_tools",
    ),
    9: row(
        "`PAGERDUTY_API_KEY` adds exactly four tools.",
        "unit/mcp_tools/test_tools_settings.py::test_keys_of_integrations_add_their_tools_and_nothing_else",
        "integration/test_tools_pagerduty.py::test_a_key_adds_exactly_four_tools_and_an_investigation_gets_the_reading_ones",
    ),
    10: row(
        "`CONFLUENCE_BASE_URL` and `CONFLUENCE_API_TOKEN` add exactly three tools; either alone adds none.",
        "unit/mcp_tools/test_tools_settings.py::test_keys_of_integrations_add_their_tools_and_nothing_else",
        "integration/test_tools_confluence.py::test_address_and_token_add_exactly_three_tools",
    ),
    11: row(
        "Three Prometheus tools, four of infrastructure, four of diagnostics, one of documentation.",
        "integration/test_tools_promises.py::test_the_tools_come_in_the_promised_groups",
    ),
    12: row(
        "Each description says when to use the tool, with an example.",
        "unit/mcp_tools/test_tools_settings.py::test_every_description_says_when_and_gives_an_example",
    ),
    13: row(
        "Configuration comes from the environment and `.env`.",
        "unit/mcp_tools/test_tools_settings.py::test_environment_sets_everything",
        "unit/test_settings.py::test_secrets_come_from_the_environment_then_from_dotenv",
    ),
    14: row(
        "`query_metrics` runs any PromQL and returns readable series.",
        "integration/test_tools_queries.py::test_every_kind_of_result_is_read",
    ),
    15: row(
        "An empty result is told apart from a failed query.",
        "integration/test_tools_queries.py::test_empty_is_not_failed",
    ),
    16: row(
        "A PromQL error comes in Prometheus' own words.",
        "integration/test_tools_queries.py::test_bad_promql_returns_prometheus_own_words",
    ),
    17: row(
        "An unreachable Prometheus is an error that names the endpoint.",
        "integration/test_tools_queries.py::test_prometheus_down_names_the_endpoint_and_is_never_healthy",
    ),
    18: row(
        "`list_metrics` lists every name that Prometheus has.",
        "integration/test_tools_promises.py::test_health_ratio_and_names_come_from_the_metrics_themselves",
        "integration/test_tools_pages.py::test_metrics_come_page_by_page_with_their_number_of_series",
    ),
    19: row(
        "Metric names are grouped by category.",
        "integration/test_tools_queries.py::test_metric_names_come_grouped_with_their_type",
    ),
    20: row(
        "Errors, latency percentiles, connections and up/down of each service in one health call.",
        "integration/test_tools_promises.py::test_health_ratio_and_names_come_from_the_metrics_themselves",
        "acceptance/test_accept_shop.py::test_on_a_good_day_the_tools_say_that_all_is_well",
        "integration/test_tools_queries.py::test_health_file_sets_the_queries",
    ),
    21: row(
        "Health is never 'healthy' where data is missing.",
        "unit/mcp_tools/test_tools_health.py::test_missing_data_is_never_healthy",
        "unit/mcp_tools/test_tools_health.py::test_nothing_measured_is_unknown",
        "integration/test_tools_queries.py::test_built_in_health_is_unknown_where_its_metrics_are_missing",
        "integration/test_tools_queries.py::test_prometheus_down_names_the_endpoint_and_is_never_healthy",
    ),
    22: row(
        "The use of connections is judged against the configured pool size.",
        "integration/test_tools_promises.py::test_health_ratio_and_names_come_from_the_metrics_themselves",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
        "unit/mcp_tools/test_tools_health.py::test_bands_are_the_promised_ones",
    ),
    23: row(
        "Health has the promised bands for errors, P99 and the use of connections.",
        "unit/mcp_tools/test_tools_health.py::test_bands_are_the_promised_ones",
    ),
    24: row(
        "The suggested query computes the error ratio by service.",
        "integration/test_tools_promises.py::test_health_ratio_and_names_come_from_the_metrics_themselves",
        "acceptance/test_accept_shop.py::test_on_a_good_day_the_tools_say_that_all_is_well",
    ),
    25: row(
        "`read_config_file` returns a file below config/.",
        "integration/test_tools_files.py::test_files_below_folders_are_read",
        "integration/test_tools_files.py::test_secrets_are_masked_everywhere_in_the_answer",
    ),
    26: row(
        "It refuses `..`, absolute paths, and links that lead out.",
        "integration/test_tools_files.py::test_spelled_escapes_are_refused",
        "integration/test_tools_files.py::test_links_are_never_followed",
        "integration/test_tools_files.py::test_linked_config_folder_is_refused",
        "integration/test_tools_files.py::test_hard_links_are_refused",
        "integration/test_tools_escapes.py::test_a_path_out_is_refused",
    ),
    27: row(
        "`edit_config_file` replaces exact old text by new text, only below config/.",
        "integration/test_tools_writes.py::test_allowed_edit_is_applied_exactly",
        "integration/test_tools_writes.py::test_guardrails_hold_before_a_gate_that_allows_everything",
    ),
    28: row(
        "Old text that is not there is an error, and the file stays as it is.",
        "unit/mcp_tools/test_tools_edit.py::test_partial_and_empty_old_text_is_not_found",
        "unit/mcp_tools/test_tools_edit.py::test_wrong_old_value_names_the_present_one",
    ),
    29: row(
        "Only the first occurrence is replaced.",
        "unit/mcp_tools/test_tools_edit.py::test_only_the_first_occurrence_is_replaced",
    ),
    30: row(
        "A change cannot corrupt a neighbouring value.",
        "unit/mcp_tools/test_tools_edit.py::test_exact_text_hits_whole_values_only",
        "unit/mcp_tools/test_tools_edit.py::test_no_text_edit_ever_touches_more_than_values",
    ),
    31: row(
        "`run_shell_command` takes docker and docker-compose only.",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_hostile_command_is_refused_with_its_reason",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_any_text_is_a_known_form_or_refused",
    ),
    32: row(
        "The documented redeploy is accepted and brings the new values in.",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_documented_redeploys_are_read_as_redeploy",
        "integration/test_tools_writes.py::test_edit_and_redeploy_bring_the_new_value_into_the_process",
    ),
    33: row(
        "No permitted command mounts the host, runs privileged, enters containers or destroys data.",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_hostile_command_is_refused_with_its_reason",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_any_word_order_comes_to_a_documented_effect_or_nothing",
        "integration/test_tools_escapes.py::test_a_command_out_is_refused",
    ),
    34: row(
        "Characters of the shell have no effect.",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_hostile_command_is_refused_with_its_reason",
    ),
    35: row(
        "A command is ended after 60 s, with everything that it started.",
        "integration/test_tools_commands.py::test_a_command_has_sixty_seconds",
        "integration/test_tools_process.py::test_program_that_takes_too_long_is_killed_with_its_children",
        "integration/test_tools_process.py::test_good_end_leaves_no_child_behind",
        "integration/test_tools_process.py::test_cancelled_call_kills_the_program_with_its_children",
    ),
    36: row(
        "A command's result has output, error output and exit code; what does not end well is an error.",
        "integration/test_tools_commands.py::test_a_result_has_output_errors_and_exit_code",
        "integration/test_tools_commands.py::test_what_does_not_end_well_is_an_error_with_its_words",
        "contracts/test_contract_docker.py::test_compose_that_cannot_recreate_is_told_with_its_words",
    ),
    37: row(
        "`get_container_logs` takes listed services only.",
        "integration/test_tools_logs.py::test_lines_are_filtered_counted_and_masked",
    ),
    38: row(
        "`get_container_logs` gives 50 lines unless said, 200 at most.",
        "integration/test_tools_logs.py::test_fifty_raw_lines_by_default_and_two_hundred_at_most",
    ),
    39: row(
        "The difference between restart and redeploy is explained to the agent.",
        "integration/test_tools_promises.py::test_the_difference_of_restart_and_redeploy_is_explained",
    ),
    40: row(
        "`get_logs` serves api-server, payment-svc, auth-svc and postgres.",
        "acceptance/test_accept_shop.py::test_on_a_good_day_the_tools_say_that_all_is_well",
        "integration/test_tools_logs.py::test_a_service_without_a_log_of_its_own_is_read_where_its_lines_are",
    ),
    41: row(
        "`level` of `get_logs` filters.",
        "integration/test_tools_logs.py::test_lines_are_filtered_counted_and_masked",
    ),
    42: row(
        "`lines` of `get_logs` is 20 unless said, 100 at most.",
        "integration/test_tools_logs.py::test_twenty_lines_by_default_and_a_hundred_at_most",
    ),
    43: row(
        "`get_alerts` returns firing and pending alerts with severity and duration.",
        "integration/test_tools_queries.py::test_alerts_have_state_age_and_expression",
        "unit/mcp_tools/test_tools_settings.py::test_alert_has_expression_age_and_value",
    ),
    44: row(
        "`get_alerts` is empty on a healthy system, and again after the repair.",
        "acceptance/test_accept_shop.py::test_on_a_good_day_the_tools_say_that_all_is_well",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
        "acceptance/test_accept_shop.py::test_after_the_repair_rates_and_alerts_are_as_before",
    ),
    45: row(
        "`get_recent_deployments` returns service, time, revision, author and message; filter.",
        "integration/test_tools_reports.py::test_deployments_come_newest_first_and_filtered",
        "integration/test_tools_writes.py::test_edit_and_redeploy_bring_the_new_value_into_the_process",
    ),
    46: row(
        "No tool invents data: what is not recorded or not reachable is empty or an error.",
        "integration/test_tools_protocol.py::test_null_arguments_are_no_arguments",
        "integration/test_tools_queries.py::test_prometheus_down_names_the_endpoint_and_is_never_healthy",
        "integration/test_tools_queries.py::test_dead_alertmanager_is_named_and_hides_nothing",
    ),
    47: row(
        "At least three named runbooks have both phases.",
        "acceptance/test_accept_shop.py::test_every_step_of_every_runbook_works_here",
        "integration/test_tools_reports.py::test_unknown_runbook_lists_the_names",
    ),
    48: row(
        "The phase remediate of a runbook is refused before investigate.",
        "integration/test_tools_reports.py::test_remediate_is_refused_before_investigate",
    ),
    49: row(
        "Each investigating step names a query or tool that works here.",
        "acceptance/test_accept_shop.py::test_every_step_of_every_runbook_works_here",
    ),
    50: row(
        "Each repairing step can be done with the tools there are.",
        "acceptance/test_accept_shop.py::test_every_step_of_every_runbook_works_here",
        "acceptance/test_accept_runbook.py::test_broken_pool_is_found_repaired_proven_and_written_down",
    ),
    51: row(
        "A runbook has symptoms, thresholds, risks, and who is to be told where.",
        "acceptance/test_accept_shop.py::test_every_step_of_every_runbook_works_here",
    ),
    52: row(
        "`write_postmortem` saves title, date, summary, cause, timeline, remediation and action items.",
        "integration/test_tools_commands.py::test_a_report_is_a_file_with_everything_in_it",
    ),
    53: row(
        "Title, summary and root cause of a post-mortem are required.",
        "integration/test_tools_writes.py::test_incomplete_postmortems_are_rejected",
    ),
    54: row(
        "Names of post-mortems have a time, and none overwrites another.",
        "integration/test_tools_writes.py::test_postmortems_never_overwrite_each_other",
    ),
    55: row(
        "The post-mortem has summary, root cause, timeline and action items.",
        "unit/report/test_report_postmortem.py::test_every_report_has_summary_cause_timeline_and_action_items",
        "unit/report/test_report_postmortem.py::test_a_proven_repair_shows_numbers_and_cause",
    ),
    56: row(
        "One command makes the whole environment.",
        "acceptance/test_accept_demo.py::test_every_part_is_on_the_screen_and_the_end_is_clean",
    ),
    57: row(
        "The compose file has database, API server, traffic and Prometheus.",
        "acceptance/test_accept_compose.py::test_compose_file_has_the_whole_stack_with_health_checks",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
    ),
    58: row(
        "The compose file has health checks and waits for them.",
        "acceptance/test_accept_compose.py::test_compose_file_has_the_whole_stack_with_health_checks",
    ),
    59: row(
        "Prometheus scrapes the API server every five seconds or faster.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_prometheus_looks_every_five_seconds_or_oftener",
    ),
    60: row(
        "Requests by status and endpoint, latency histogram and pool gauges are exposed.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_api_server_exposes_requests_latency_and_pool",
    ),
    61: row(
        "Pool size and timeout come from the environment.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "unit/stack/test_stack_shop.py::test_pool_settings_come_from_the_environment_file_and_are_checked",
        "acceptance/test_accept_runbook.py::test_broken_pool_is_found_repaired_proven_and_written_down",
    ),
    62: row(
        "About 50 requests a second over three endpoints.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_on_a_good_day_traffic_errors_and_latency_are_as_promised",
    ),
    63: row(
        "0.1 to 0.2 errors a second per service on a good day.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "unit/stack/test_stack_shop.py::test_a_service_has_one_or_two_errors_in_ten_seconds_on_a_good_day",
        "acceptance/test_accept_shop.py::test_on_a_good_day_traffic_errors_and_latency_are_as_promised",
    ),
    64: row(
        "P99 in the low hundreds of ms for users, about 10 ms for others.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_on_a_good_day_traffic_errors_and_latency_are_as_promised",
    ),
    65: row(
        "A copy of the good configuration exists.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_a_copy_of_the_good_configuration_is_kept",
    ),
    66: row(
        "Pool 1: at least 20 % of the requests fail.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    67: row(
        "Pool 1: P99 above 1000 ms.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    68: row(
        "Pool 1: metrics show the pool exhausted.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    69: row(
        "Pool 1: logs full of `connection pool exhausted`.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    70: row(
        "The fault is visible within 30 s.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    71: row(
        '`rate(http_requests_total{status="500"}[1m])` shows the spike on /api/users.',
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    72: row(
        "Other services stay healthy during the fault.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_while_it_is_broken_every_sign_points_to_the_pool",
    ),
    73: row(
        "Healthy services give metrics to compare with.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_prometheus_looks_every_five_seconds_or_oftener",
    ),
    74: row(
        "Grafana on 3000 with Prometheus as its source.",
        "acceptance/test_accept_compose.py::test_grafana_has_prometheus_and_the_dashboards",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
    ),
    75: row(
        "20 and a redeploy bring the rates back.",
        "acceptance/test_accept_compose.py::test_shop_in_containers_is_broken_repaired_and_proven",
        "acceptance/test_accept_shop.py::test_after_the_repair_rates_and_alerts_are_as_before",
        "acceptance/test_accept_runbook.py::test_broken_pool_is_found_repaired_proven_and_written_down",
    ),
    76: row(
        "Cleaning up verifies the value, stops the stack and shows the post-mortem.",
        "acceptance/test_accept_demo.py::test_every_part_is_on_the_screen_and_the_end_is_clean",
        "unit/stack/test_stack_check.py::test_anything_wrong_is_a_problem_whatever_the_daemon_says",
    ),
    77: row(
        "All of it runs locally, with no account but the model's key.",
        "acceptance/test_accept_demo.py::test_every_part_is_on_the_screen_and_the_end_is_clean",
    ),
    78: row(
        "Before every edit and every command that changes something the gate is asked.",
        "integration/test_tools_writes.py::test_allowed_edit_is_applied_exactly",
        "integration/test_tools_writes.py::test_denied_redeploy_leaves_the_process_running",
        "integration/test_tools_writes.py::test_without_socket_or_token_every_write_is_refused",
    ),
    79: row(
        "Anything but an allow blocks the call, and the caller sees the reason.",
        "integration/test_tools_writes.py::test_anything_but_an_allow_changes_nothing",
        "integration/test_tools_writes.py::test_a_silent_gate_is_a_refusal_within_six_seconds",
    ),
    80: row(
        "DB_POOL_SIZE below 5 or above 100 cannot be written.",
        "unit/mcp_tools/test_tools_guardrails.py::test_pool_size_outside_or_oddly_written_is_refused",
        "integration/test_tools_writes.py::test_guardrails_hold_before_a_gate_that_allows_everything",
        "acceptance/test_accept_twins.py::test_without_a_policy_nothing_is_changed_and_a_person_has_it",
        "acceptance/test_accept_twins.py::test_model_that_asks_for_what_is_forbidden",
    ),
    81: row(
        "5 and 100 can be written.",
        "unit/mcp_tools/test_tools_guardrails.py::test_values_on_the_bounds_are_accepted",
    ),
    82: row(
        "The same holds however the edit is phrased.",
        "unit/mcp_tools/test_tools_edit.py::test_hostile_rephrasings_are_refused",
        "unit/mcp_tools/test_tools_edit.py::test_structure_cannot_be_smuggled_into_a_value",
        "unit/mcp_tools/test_tools_guardrails.py::test_pool_size_outside_or_oddly_written_is_refused",
        "integration/test_tools_writes.py::test_guardrails_hold_before_a_gate_that_allows_everything",
        "integration/test_tools_escapes.py::test_an_edit_that_does_more_is_refused",
    ),
    83: row(
        "A service is not deployed while its file is out of range.",
        "integration/test_tools_writes.py::test_edit_and_redeploy_bring_the_new_value_into_the_process",
        "unit/mcp_tools/test_tools_guardrails.py::test_file_that_breaks_a_range_is_refused",
        "integration/test_tools_hook.py::test_a_deploy_is_blocked_while_the_file_is_out_of_range",
    ),
    84: row(
        "That also holds for an `up` without a service: there is no such command.",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_hostile_command_is_refused_with_its_reason",
    ),
    85: row(
        "What cannot be read is refused.",
        "integration/test_tools_writes.py::test_anything_but_an_allow_changes_nothing",
        "integration/test_tools_writes.py::test_unreadable_guardrails_stop_every_write",
        "integration/test_gate_answers.py::test_garbage_is_never_allowed_and_never_the_end",
        "integration/test_tools_hook.py::test_what_cannot_be_read_is_blocked",
    ),
    86: row(
        "Two layers that know nothing of each other: guardrails in the tool server, policy in the daemon.",
        "integration/test_tools_writes.py::test_guardrails_hold_before_a_gate_that_allows_everything",
        "integration/test_tools_writes.py::test_anything_but_an_allow_changes_nothing",
        "integration/test_gate_answers.py::test_policy_counts_as_it_is_now",
        "integration/test_gate_answers.py::test_guardrails_hold_whatever_the_policy_says",
    ),
    87: row(
        "The system prompt gives a method, not a script.",
        "unit/agent/test_agent_prompt.py::test_system_prompt_is_a_method_and_knows_no_tool_and_no_system",
    ),
    90: row(
        "The agent puts metrics, logs, alerts and configuration together.",
        "acceptance/test_accept_claude.py::test_claude_finds_repairs_and_proves",
    ),
    91: row(
        "An investigation changes nothing, and this is enforced.",
        "acceptance/test_accept_twins.py::test_model_that_writes_while_investigating_only_gets_errors",
        "integration/test_tools_protocol.py::test_investigate_phase_has_exactly_the_nine_reading_tools",
    ),
    92: row(
        "A repair happens only where people have allowed it.",
        "acceptance/test_accept_twins.py::test_without_a_policy_nothing_is_changed_and_a_person_has_it",
        "integration/test_gate_answers.py::test_without_a_policy_file_nothing_is_allowed",
    ),
    93: row(
        "The repair sets 20, redeploys, is verified, and is written down.",
        "acceptance/test_accept_runbook.py::test_broken_pool_is_found_repaired_proven_and_written_down",
        "acceptance/test_accept_claude.py::test_claude_finds_repairs_and_proves",
    ),
    94: row(
        "It counts as done only when the metrics are back.",
        "acceptance/test_accept_claude.py::test_repair_that_does_not_help_is_taken_back_byte_for_byte",
        "unit/pipeline/test_pipeline_verify.py::test_never_proven_while_something_is_missing",
        "unit/pipeline/test_pipeline_verify.py::test_first_look_proves_nothing",
    ),
    95: row(
        "The repair knows what the investigation found.",
        "acceptance/test_accept_runbook.py::test_broken_pool_is_found_repaired_proven_and_written_down",
    ),
    96: row(
        "Progress, texts and tool names, streams while the agent works.",
        "integration/test_agent_claude.py::test_every_step_is_reported_as_it_happens",
    ),
    97: row(
        "Errors of a run are shown.",
        "integration/test_pipeline_investigate.py::test_failed_model_brings_a_person_and_the_run_is_recorded",
        "integration/test_agent_faults.py::test_every_failure_has_its_word_and_a_bounded_time",
    ),
    98: row(
        "The agent can use the listed tools only.",
        "integration/test_agent_claude.py::test_model_is_offered_the_reading_tools_and_nothing_else",
        "integration/test_agent_claude.py::test_model_that_tries_to_write_reaches_no_tool",
        "acceptance/test_accept_claude.py::test_claude_finds_repairs_and_proves",
    ),
    99: row(
        "The model can be chosen.",
        "integration/test_agent_bounds_claude.py::test_model_of_the_settings_is_asked_and_bounded_by_our_price",
    ),
    100: row(
        "The agent finds the tools of an integration by itself once its keys are there.",
        "integration/test_agent_people.py::test_an_investigation_reads_pagerduty_and_is_offered_no_writing_tool",
    ),
    105: row(
        "PagerDuty's incidents are listed by status, open ones by default, and by service.",
        "integration/test_tools_pagerduty.py::test_lists_are_by_status_and_service_and_have_every_page",
    ),
    106: row(
        "Existing incidents are looked at before one is created, and a key makes two of them one.",
        "integration/test_tools_pagerduty.py::test_an_incident_is_created_once_for_each_key",
        "integration/test_tools_pagerduty.py::test_a_key_that_is_taken_meanwhile_gives_the_incident_that_has_it",
        "integration/test_tools_pagerduty.py::test_a_lost_answer_makes_no_second_incident",
    ),
    107: row(
        "Create takes title, description, urgency and service, and returns id and URL.",
        "integration/test_tools_pagerduty.py::test_an_incident_is_created_once_for_each_key",
    ),
    108: row(
        "The service comes from the environment when none is named; without one the error is clear.",
        "unit/mcp_tools/test_tools_settings.py::test_keys_of_integrations_add_their_tools_and_nothing_else",
        "integration/test_tools_pagerduty.py::test_without_a_service_or_a_sender_nothing_is_sent",
        "integration/test_tools_pagerduty.py::test_an_incident_is_created_once_for_each_key",
    ),
    109: row(
        "Each request to PagerDuty has its token, each change an address in From.",
        "integration/test_tools_pagerduty.py::test_an_incident_is_created_once_for_each_key",
        "integration/test_tools_pagerduty.py::test_without_a_service_or_a_sender_nothing_is_sent",
    ),
    110: row(
        "Incidents are acknowledged and resolved.",
        "integration/test_tools_pagerduty.py::test_progress_is_noted_while_acknowledged",
        "integration/test_tools_pagerduty.py::test_resolving_needs_a_note_and_writes_it_before",
    ),
    111: row(
        "Resolving needs a note, and the note is written before.",
        "integration/test_tools_pagerduty.py::test_resolving_needs_a_note_and_writes_it_before",
        "integration/test_tools_pagerduty.py::test_a_note_that_is_not_taken_leaves_the_incident_open",
        "integration/test_tools_pagerduty.py::test_a_note_is_never_written_twice",
    ),
    112: row(
        "Notes of progress are added while an incident is acknowledged.",
        "integration/test_tools_pagerduty.py::test_progress_is_noted_while_acknowledged",
    ),
    113: row(
        "Get returns status, assignments, timeline and notes.",
        "integration/test_tools_pagerduty.py::test_an_incident_has_status_people_timeline_and_notes",
    ),
    114: row(
        "Errors of PagerDuty's API are error results that say what to do.",
        "integration/test_tools_pagerduty.py::test_each_error_says_what_to_do",
        "integration/test_tools_pagerduty.py::test_faults_that_do_not_pass_are_told_after_a_bounded_number_of_tries",
        "integration/test_tools_rest.py::test_a_service_that_never_answers_costs_a_bounded_time",
    ),
    115: row(
        "More than 25 incidents are listed.",
        "integration/test_tools_pagerduty.py::test_lists_are_by_status_and_service_and_have_every_page",
    ),
    116: row(
        "A page is made in the configured space below the configured parent.",
        "integration/test_tools_confluence.py::test_a_page_has_all_sections_below_the_parent_in_the_space",
    ),
    117: row(
        "The page has summary, timeline, root cause, impact, remediation and a table of action items.",
        "integration/test_tools_confluence.py::test_a_page_has_all_sections_below_the_parent_in_the_space",
    ),
    118: row(
        "Content is escaped: any valid input makes a valid page.",
        "integration/test_tools_confluence.py::test_any_texts_make_a_valid_page_and_come_back",
        "integration/test_tools_confluence.py::test_odd_types_are_told_and_survived",
    ),
    119: row(
        "A page is published only when a person agreed to exactly it.",
        "unit/policy/test_policy_outward.py::test_auto_acts_alone_towards_people_but_never_publishes_a_page",
        "unit/policy/test_policy_outward.py::test_the_gate_publishes_a_page_when_a_person_agreed_and_not_before",
        "integration/test_executor_outward.py::test_a_page_that_nobody_agreed_to_is_not_published",
        "integration/test_tools_confluence.py::test_nothing_is_published_without_the_gates_yes",
    ),
    120: row(
        "The page links the PagerDuty incident.",
        "integration/test_tools_confluence.py::test_the_page_links_the_incident_of_pagerduty",
    ),
    121: row(
        "A page is read by id or title, with its content.",
        "integration/test_tools_confluence.py::test_a_page_is_read_with_its_content_by_id_and_by_title",
    ),
    122: row(
        "Post-mortems of the last days are listed, 30 by default, and by a term.",
        "integration/test_tools_confluence.py::test_postmortems_of_the_last_days_come_from_every_page_newest_first",
        "integration/test_tools_confluence.py::test_a_search_term_stays_a_term",
    ),
    123: row(
        "Confluence is asked with e-mail and token by basic authentication.",
        "integration/test_tools_confluence.py::test_the_account_is_sent_as_it_is_configured",
    ),
    124: row(
        "Where Confluence is, it takes the place of the local post-mortem tool.",
        "integration/test_tools_confluence.py::test_reports_go_to_confluence_alone_where_it_is",
    ),
    125: row(
        "A mention in Slack starts an investigation that is answered in its thread.",
        "integration/test_slack_bot.py::test_mention_is_investigated_and_answered_in_its_thread",
    ),
    126: row(
        "Tool calls and findings stream into the thread.",
        "integration/test_slack_bot.py::test_mention_is_investigated_and_answered_in_its_thread",
        "integration/test_slack_channel.py::test_steps_stream_into_one_message_of_the_thread",
    ),
    127: row(
        "Follow-ups in a thread continue its session without a mention.",
        "integration/test_slack_bot.py::test_follow_up_needs_no_mention_and_continues_the_session",
    ),
    128: row(
        "Direct messages work, with threads and memory.",
        "integration/test_slack_bot.py::test_direct_messages_have_threads_and_memory",
    ),
    129: row(
        "An empty mention is greeted with an example.",
        "integration/test_slack_bot.py::test_empty_mention_is_greeted_with_an_example",
    ),
    130: row(
        "Messages of bots and edits are ignored.",
        "integration/test_slack_bot.py::test_bots_edits_and_strange_events_are_ignored",
    ),
    131: row(
        "What is said in Slack is valid mrkdwn within its limits.",
        "unit/slack/test_slack_mrkdwn.py::test_whatever_the_agent_writes_is_valid",
        "unit/slack/test_slack_mrkdwn.py::test_chunks_are_short_enough_and_lose_nothing",
        "integration/test_slack_channel.py::test_hostile_alert_formats_calls_and_links_nothing",
    ),
    134: row(
        "A resolution is told with cause, duration, proof and link.",
        "integration/test_slack_channel.py::test_repair_is_told_with_cause_duration_proof_and_link",
    ),
    136: row(
        "Webhooks of chat and paging are verified.",
        "integration/test_slack_bot.py::test_what_slack_did_not_sign_just_now_is_refused",
        "integration/test_slack_bot.py::test_without_a_secret_there_is_no_door",
        "integration/test_web_pagerduty.py::test_what_pagerduty_did_not_sign_is_refused",
    ),
    137: row(
        "There are health endpoints.",
        "integration/test_app_start.py::test_it_is_alive_but_not_ready_without_prometheus",
        "integration/test_web_console.py::test_not_ready_without_the_store_only",
    ),
    139: row(
        "A repair that needs a person waits for an explicit answer of one who may give it; words are none.",
        "integration/test_slack_bot.py::test_approval_shows_exactly_what_will_be_done_and_counts",
        "integration/test_slack_bot.py::test_no_word_approves_anything",
        "integration/test_slack_bot.py::test_who_may_not_approve_sees_no_form_and_cannot_send_one",
    ),
    140: row(
        "A bot that runs for long remembers nothing of what it answered.",
        "integration/test_slack_bot.py::test_only_so_many_are_answered_at_once_and_nothing_is_remembered",
    ),
    141: row(
        "Other services than the demo's need settings only, no change of code.",
        "unit/mcp_tools/test_tools_settings.py::test_environment_sets_everything",
        "integration/test_tools_queries.py::test_health_file_sets_the_queries",
    ),
    142: row(
        "Further back ends can be attached as MCP servers.",
        "integration/test_tools_attached.py::test_the_filesystem_server_of_the_mcp_project_is_attached",
        "integration/test_tools_attached.py::test_a_writing_call_is_one_effect_that_the_gate_judges",
    ),
    143: row(
        "Write access only through narrow tools with their own checks.",
        "unit/mcp_tools/test_tools_commands_grammar.py::test_any_text_is_a_known_form_or_refused",
        "unit/mcp_tools/test_tools_edit.py::test_no_text_edit_ever_touches_more_than_values",
        "integration/test_tools_writes.py::test_guardrails_hold_before_a_gate_that_allows_everything",
    ),
}

# Rows that no test shows yet, and what is to be shown.
OPEN: Mapping[int, str] = {
    88: "on a healthy stack the agent reports that all is well",
    89: "from a vague report it finds DB_POOL_SIZE=1",
    101: "skills are Markdown with name, description, triggers and workflow",
    102: "a skill is triggered by connections, `too many connections` or latency",
    103: "skills are handed to the agent by configuration",
    104: "skills for post-mortems, changes and escalation can be added",
    132: "start-up names every dependency or variable that is missing",
    133: "a triggered PagerDuty incident is posted to the channel",
    135: "the post-mortem comes before the resolution",
    138: "opening an incident on request needs no investigation",
}
