//! Rules that several scenarios run under.

pub const EMPHYSEMA_ON_PHANTOMS: &str = r#"
[[rule]]
name = "emphysema on phantoms"
on = "series"

[rule.select]
Modality = "CT"
PatientID = "PHANTOM"

[rule.then]
run = "emphysema"
send = { to = ["PACS"], as = ["structured-report", "secondary-capture"] }
"#;

/// Each CT series goes on as it came.
pub fn forward(peers: &[&str]) -> String {
    format!(
        "[[rule]]\nname = \"archive\"\non = \"series\"\n[rule.select]\nModality = \"CT\"\n\
         [rule.then]\nforward = {peers:?}\n"
    )
}
